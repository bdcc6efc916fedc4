"""Source text -> what it asks for; pure; never runs it."""
