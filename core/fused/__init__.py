"""Training steps of few GPU kernels: PyTorch makes over a hundred of a step, most of which hardly do more than start.

The kernels are written in Triton, which PyTorch brings along on Linux, and compiled when they are first needed.
"""
