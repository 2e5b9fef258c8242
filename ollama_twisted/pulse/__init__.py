"""What is told of a running gateway as it changes: nothing in here waits or looks at a clock."""
