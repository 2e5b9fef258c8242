"""What is known of the nodes, and whom to choose."""
