"""What methods gain on distorted photographs."""
