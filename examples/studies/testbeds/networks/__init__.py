"""The networks of the testbeds, and the layers that they are made of."""
