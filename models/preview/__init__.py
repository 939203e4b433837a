"""The preview engine: espeak-ng, real speech in Chinese, English, Japanese and Korean without a GPU."""
