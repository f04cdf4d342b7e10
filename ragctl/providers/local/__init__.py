"""Models that run on this machine's processor, without torch."""
