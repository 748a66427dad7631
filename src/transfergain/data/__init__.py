"""From files and Hub data sets to a `Dataset` ready for trials."""
