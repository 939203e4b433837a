"""Text to speakable segments: normalisation, sentences, dialogue, filling, and their times in the audio."""
