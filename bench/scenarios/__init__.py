"""What is measured of mlberth alone, each in a module of its own."""
