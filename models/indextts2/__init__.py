"""IndexTTS-2 in our own PyTorch: from text and a recording of a voice to speech, whole batches at once."""
