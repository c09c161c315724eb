"""The GPU's part of a training step, but for its matrix products, in as few kernels as can be (Triton).

https://triton-lang.org. All tensors have the copies of a network that are trained together in front, one or more; `m`
is the number of images in a batch of one copy. Sums over rows are made in one program each, so that they come out the
same every time. What differs from step to step is read from tables at `at`, the step's number in its epoch.
"""
