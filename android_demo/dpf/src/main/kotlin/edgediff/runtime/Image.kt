package edgediff.runtime

import ai.onnxruntime.OnnxTensorLike
import ai.onnxruntime.OrtSession.SessionOptions.OptLevel
import edgediff.BundleError
import edgediff.format.MODEL_FILE
import edgediff.format.Manifest
import java.io.File
import java.nio.FloatBuffer
import java.nio.channels.FileChannel

/** The weights of an image, beside its model. */
internal const val IMAGE_FILE = "image.bin"

/** Bytes of the smallest initializer in the file; shapes are smaller, and have to be in the model. */
private const val SMALLEST = 64

/** A base that cannot be patched in place here, however often it is tried. */
internal class UnsureError(message: String) : BundleError(message)

/**
 * The image of a base: an optimised model, its weights in one file, packed for this machine's kernels.
 *
 * onnxruntime writes it (by session entries that are among its documented keys) and, opening it with optimisation off,
 * maps the file and uses the packed bytes where they lie.
 *
 * @property folder holds `model.onnx` and `image.bin`.
 * @property initializers where each lies in `image.bin`, by name.
 */
internal class Image(val folder: File, val initializers: Map<String, Initializer>) {
    /** All of `image.bin`, mapped. */
    fun floats(): FloatBuffer = mapFloats(File(folder, IMAGE_FILE), FileChannel.MapMode.READ_ONLY)
}

/**
 * Has onnxruntime write the image of [bundle] into the empty [folder].
 *
 * @param weights what to take in place of `weights.bin`, laid out as it is.
 * @throws BundleError onnxruntime cannot open the bundle or write the image.
 */
internal fun buildImage(bundle: File, manifest: Manifest, folder: File, weights: FloatBuffer? = null): Image {
    val tensors = HashMap<String, OnnxTensorLike>()
    try {
        openSession(File(bundle, MODEL_FILE)) { options ->
            options.setOptimizationLevel(OptLevel.EXTENDED_OPT)
            options.setOptimizedModelFilePath(File(folder, MODEL_FILE).path)
            options.addConfigEntry("session.optimized_model_external_initializers_file_name", IMAGE_FILE)
            options.addConfigEntry("session.optimized_model_external_initializers_min_size_in_bytes", "$SMALLEST")
            options.addConfigEntry("session.save_external_prepacked_constant_initializers", "1")
            if (weights != null) {
                manifest.parameters.associateTo(tensors) {
                    it.initializer to tensorOf(it.within(weights), it.graphShape)
                }
                options.addExternalInitializers(tensors)
            }
        }.close()
    } finally {
        tensors.values.forEach(OnnxTensorLike::close)
    }
    return readImage(folder)
}

/** @throws BundleError [folder] holds no whole image. */
private fun readImage(folder: File): Image {
    val model = File(folder, MODEL_FILE)
    if (!model.isFile) throw BundleError("onnxruntime left no image in $folder")
    val found = readInitializers(model)
    val end = found.values.flatMap { it.packed + it.own }.maxOfOrNull { it.offset + it.length }
        ?: throw BundleError("onnxruntime left no weights of the image in $IMAGE_FILE")
    val size = File(folder, IMAGE_FILE).length()
    if (size < end) throw BundleError("${File(folder, IMAGE_FILE)} ends too early, after $size bytes: is the disk full?")
    return Image(folder, found)
}
