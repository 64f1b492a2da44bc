package edgediff.runtime

import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession.SessionOptions.OptLevel
import edgediff.BundleError
import edgediff.format.MODEL_FILE
import edgediff.format.Manifest
import edgediff.format.WEIGHTS_FILE
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.channels.FileChannel
import java.security.MessageDigest
import java.util.UUID
import java.util.concurrent.locks.ReentrantLock
import java.util.zip.CRC32
import kotlin.concurrent.withLock

private const val LOCK_FILE = "lock"
private const val IMAGE_PREFIX = "image-"
private const val TEMPORARY_PREFIX = ".temporary-"
private const val CHUNK = 1 shl 20
private const val SPARE_BYTES = 16L shl 20 // for what else is in the folder
private const val HASH_DIGITS = 12

/** An image whose bytes are not those that were built. */
internal class DamagedError(message: String) : BundleError(message)

/** A file lock is a whole process's, so threads need one beside it. */
private val oneAtATime = ReentrantLock()

/**
 * Images that were built on this device, in the folder [cache].
 *
 * An image is never opened where it lies but copied, and the copy has no name any more once onnxruntime has it: so no
 * one changes it, no two bases share what they patch, and a process that is killed leaves nothing behind.
 */
internal class ImageCache(private val cache: File) {
    /**
     * Runs [use] while no other thread or process is in the folder; what one that was killed left there is removed.
     *
     * @throws BundleError the folder cannot be made, locked or written.
     */
    fun <T> locked(use: () -> T): T = oneAtATime.withLock {
        try {
            if (!cache.isDirectory && !cache.mkdirs()) throw BundleError("the cache folder $cache cannot be made")
            RandomAccessFile(File(cache, LOCK_FILE), "rw").use { file ->
                file.channel.lock().use {
                    names(TEMPORARY_PREFIX).forEach(File::deleteRecursively)
                    use()
                }
            }
        } catch (error: IOException) {
            throw BundleError("the cache folder $cache cannot be used: ${error.message}", error)
        }
    }

    /** Where the image of a base is or will be: one base's, one onnxruntime's and one processor's. */
    fun folder(manifest: Manifest): File {
        val version = asking("tell its version") { OrtEnvironment.getEnvironment().version }
        return File(cache, "${prefix(manifest)}$version-${digest(processor())}")
    }

    /**
     * An empty folder that becomes [folder] when [build] is done; images of the same base for another onnxruntime or
     * processor make room.
     */
    fun build(folder: File, manifest: Manifest, build: (File) -> Unit) {
        names(prefix(manifest)).forEach(File::deleteRecursively)
        temporary { part ->
            build(part)
            if (!part.renameTo(folder)) throw BundleError("$part cannot be renamed to $folder")
        }
    }

    /**
     * Opens the image in [folder].
     *
     * @throws DamagedError it is not what was built.
     * @throws BundleError there is no space for a copy, or onnxruntime cannot open it.
     */
    fun open(folder: File, record: Record, threads: Int): LiveSession {
        expectSpace(record.weights.bytes)
        return temporary { work ->
            copy(folder, work, MODEL_FILE, record.model)
            copy(folder, work, IMAGE_FILE, record.weights)
            val session = openSession(File(work, MODEL_FILE)) { options ->
                options.setOptimizationLevel(OptLevel.NO_OPT)
                options.setIntraOpNumThreads(threads)
            }
            LiveSession(session, mapFloats(File(work, IMAGE_FILE), FileChannel.MapMode.READ_WRITE), record.places)
        }
    }

    /** @throws BundleError fewer than [bytes] are free. */
    fun expectSpace(bytes: Long) {
        val free = cache.usableSpace
        if (free < bytes + SPARE_BYTES) {
            throw BundleError("$cache has ${free / 1_000_000} MB of space left, live mode needs ${bytes / 1_000_000} MB")
        }
    }

    private fun <T> temporary(use: (File) -> T): T {
        val folder = File(cache, TEMPORARY_PREFIX + UUID.randomUUID())
        if (!folder.mkdir()) throw BundleError("$folder cannot be made")
        try {
            return use(folder)
        } finally {
            folder.deleteRecursively()
        }
    }

    private fun names(prefix: String): List<File> =
        cache.listFiles { file -> file.name.startsWith(prefix) }.orEmpty().toList()

    private fun prefix(manifest: Manifest): String =
        "$IMAGE_PREFIX${digest(listOf(WEIGHTS_FILE, MODEL_FILE).joinToString { manifest.files.getValue(it).sha256 })}-"
}

/** Size and CRC-32 of [file]. */
internal fun check(file: File): Checked {
    val crc = CRC32()
    file.forEachBlock(CHUNK) { bytes, count -> crc.update(bytes, 0, count) }
    return Checked(file.length(), crc.value)
}

private fun copy(from: File, to: File, name: String, wanted: Checked) {
    val crc = CRC32()
    val source = File(from, name)
    if (source.length() != wanted.bytes) throw DamagedError("$source has another length")
    File(to, name).outputStream().use { out ->
        source.forEachBlock(CHUNK) { bytes, count ->
            crc.update(bytes, 0, count)
            out.write(bytes, 0, count)
        }
    }
    if (crc.value != wanted.crc32) throw DamagedError("$source is damaged")
}

/** What the processor says of itself: kernels, and so packed bytes, depend on it. */
private fun processor(): String {
    val wanted = listOf("model name", "flags", "Features", "CPU part")
    val lines = try {
        File("/proc/cpuinfo").readLines()
    } catch (_: IOException) {
        emptyList()
    }
    val said = lines.filter { line -> wanted.any(line::startsWith) }.toSortedSet()
    return (said + System.getProperty("os.arch")).joinToString("\n")
}

private fun digest(text: String): String =
    MessageDigest.getInstance("SHA-256").digest(text.toByteArray()).joinToString("") { "%02x".format(it) }.take(HASH_DIGITS)
