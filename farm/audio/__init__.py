"""From takes to what is heard: joined, levelled, limited, encoded, bound; streaming, whatever the length."""
