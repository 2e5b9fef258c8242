"""What both servers need of HTTP."""
