"""What a real speech server needs to run here."""
