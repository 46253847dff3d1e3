"""Pages, figures, colours and atomic files, for the command line and for the studies. Needs the extra `examples`."""
