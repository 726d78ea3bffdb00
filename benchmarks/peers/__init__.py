"""What other systems are asked to do, a file a system."""
