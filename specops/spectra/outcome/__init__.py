"""What the sums of sets say: numbers, words, pictures and the page."""
