"""Real images: the pictures of users and of installed packages, the toyset, and batches of them."""
