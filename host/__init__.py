"""The host: driver, devices and the command `neuflow`."""
