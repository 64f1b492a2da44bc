package edgediff.diff

/**
 * Which base a diff belongs to.
 *
 * @property name the model's name, for people.
 * @property fingerprint 64 lower-case hexadecimal digits (`docs/bundle.md`, "The fingerprint").
 * @property parameters how many numbers the encoder has; the denominator of every density.
 * @property width the length of the feature vector that a head multiplies.
 */
data class Base(val name: String, val fingerprint: String, val parameters: Long, val width: Int)
