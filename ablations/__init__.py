"""What a study declares: matrix, cells, and the record that the other packages share."""
