"""`python -m specops spectrum`: radial spectra of sets of pictures, compared on a page. Needs the extra `examples`."""
