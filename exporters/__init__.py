"""What runs beside the databases; reads only compiled files, and knows nothing of the generator."""
