"""Bidirectional Forwarding Detection, asynchronous and over a single hop (RFC 5880, RFC 5881)."""
