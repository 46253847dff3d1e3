"""Planar cosines: does the error of a GAN grow with the frequency that it has to make?"""
