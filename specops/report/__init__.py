"""Pages, figures, colours and atomic files, for the command line, notebooks, studies. Needs the extra `examples`."""

from specops.report.plots import plot_plane, plot_spectra

__all__ = ["plot_plane", "plot_spectra"]
