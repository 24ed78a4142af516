"""The data set's archives: fetched by range, checked, unpacked without leaving the folder."""
