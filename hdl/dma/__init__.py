"""Direct memory access: streams of samples from and to external memory."""
