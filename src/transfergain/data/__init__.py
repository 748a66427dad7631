"""Turn files and Hub data sets into a `Dataset` ready for trials."""
