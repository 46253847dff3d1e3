"""The two testbeds of Schwarz, Liao and Geiger: which frequencies does a generator learn, or a discriminator teach?"""
