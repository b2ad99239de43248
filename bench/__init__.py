"""vipd beside its peers: the same jobs, the same receiving ToR, one run, one table."""
