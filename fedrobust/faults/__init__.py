"""What goes wrong by itself; one file, one component: its name is what a scenario calls it."""
