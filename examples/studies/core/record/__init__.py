"""What a run leaves: its folder, its checkpoint, its history, and the result read from them."""
