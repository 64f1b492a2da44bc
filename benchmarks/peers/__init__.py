"""What people use instead of diffs, side by side."""
