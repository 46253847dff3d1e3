"""What the example scripts share: training small networks, and measuring which frequencies they learn."""
