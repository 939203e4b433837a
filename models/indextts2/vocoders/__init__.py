"""Mel spectrograms to samples: BigVGAN v2, and others behind the same port."""
