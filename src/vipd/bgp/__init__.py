"""A BGP-4 speaker that announces host routes and stores nothing (RFC 4271)."""
