package edgediff.runtime

import edgediff.BundleError
import edgediff.format.MODEL_FILE
import edgediff.format.Manifest
import edgediff.format.WEIGHTS_FILE
import java.io.File
import java.security.MessageDigest

/** Bytes on disk while an image is built, in those of the base's weights: it, one of markers, and these. */
private const val SIZES_TO_BUILD = 5
private const val CHUNK = 1 shl 20

/**
 * Opens live mode and puts it to the trial: patched and reverted, it answers as ordinary sessions do.
 *
 * When the image is built, ordinary sessions answer too, and every logit must be equal bit for bit, with a product in the
 * diff also; what they said is kept with the image and compared with later, but for the product. A damaged image is built
 * anew.
 *
 * @throws BundleError any doubt; the text names it.
 */
internal fun proveLive(bundle: File, manifest: Manifest, threads: Int, cache: File): LivePatcher = try {
    val images = ImageCache(cache)
    images.locked {
        val folder = images.folder(manifest)
        val record = Record.read(folder)
        try {
            record?.let { proven(images, folder, it, bundle, manifest, threads) }
        } catch (_: DamagedError) {
            null
        } ?: build(images, folder, bundle, manifest, threads)
    }
} catch (error: OutOfMemoryError) {
    throw BundleError("live mode needs more memory than there is", error)
}

private fun proven(
    images: ImageCache,
    folder: File,
    record: Record,
    bundle: File,
    manifest: Manifest,
    threads: Int,
): LivePatcher =
    onTrial(images.open(folder, record, threads), bundle, manifest, record.proof, exact = false)

private fun build(images: ImageCache, folder: File, bundle: File, manifest: Manifest, threads: Int): LivePatcher {
    images.expectSpace(SIZES_TO_BUILD * manifest.files.getValue(WEIGHTS_FILE).bytes)
    checkBundle(bundle, manifest)
    var patcher: LivePatcher? = null
    try {
        images.build(folder, manifest) { part ->
            val places = findPlaces(bundle, manifest, buildImage(bundle, manifest, part))
            val proof = SessionPatcher(bundle, manifest, threads).use { Trial(manifest).ask(it, wholly = true) }
            val record = Record(check(File(part, MODEL_FILE)), check(File(part, IMAGE_FILE)), places, proof)
            patcher = onTrial(images.open(part, record, threads), bundle, manifest, proof, exact = true)
            record.write(part)
        }
    } catch (error: UnsureError) {
        // So that it need not be tried at every start.
        images.build(folder, manifest) { Record.writeRefusal(it, error.message.orEmpty()) }
        throw error
    }
    return checkNotNull(patcher)
}

private fun onTrial(
    live: LiveSession,
    bundle: File,
    manifest: Manifest,
    proof: List<FloatArray>,
    exact: Boolean,
): LivePatcher {
    val patcher = LivePatcher(live, BaseWeights(bundle, manifest))
    try {
        compare(Trial(manifest).ask(patcher, wholly = exact), proof, exact)
    } catch (error: BundleError) {
        patcher.close()
        throw error
    }
    return patcher
}

/** An image goes by what the manifest says of these files, so it must not be made of anything else. */
private fun checkBundle(bundle: File, manifest: Manifest) {
    for (name in listOf(MODEL_FILE, WEIGHTS_FILE)) {
        val digest = MessageDigest.getInstance("SHA-256")
        File(bundle, name).forEachBlock(CHUNK) { bytes, count -> digest.update(bytes, 0, count) }
        val found = digest.digest().joinToString("") { "%02x".format(it) }
        if (found != manifest.files.getValue(name).sha256) {
            throw BundleError("${File(bundle, name)} is damaged: it has another SHA-256 than the manifest states")
        }
    }
}
