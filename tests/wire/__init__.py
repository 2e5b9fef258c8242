"""What crosses the gateway, tested without one."""
