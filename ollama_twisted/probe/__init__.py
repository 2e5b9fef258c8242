"""Who is connected to a port, and how much they were sent: asked of the system's own tools."""
