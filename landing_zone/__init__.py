"""The landing zone: from one environment file to stacks, checks and evidence."""
