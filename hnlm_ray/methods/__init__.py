"""What a method is: search spaces in files by family, their layers and checks, known names."""
