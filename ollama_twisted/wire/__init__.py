"""What crosses the gateway, and what it means."""
