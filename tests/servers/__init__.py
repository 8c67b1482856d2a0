"""Contains servers, processes, recorders and waiting functions that the tests of several packages use."""
