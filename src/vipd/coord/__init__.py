"""Who announces which VIP, and why."""
