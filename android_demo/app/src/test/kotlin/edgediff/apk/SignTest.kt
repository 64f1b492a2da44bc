package edgediff.apk

import java.io.File
import java.util.zip.CRC32
import java.util.zip.ZipEntry
import java.util.zip.ZipFile
import java.util.zip.ZipOutputStream
import kotlin.io.path.createTempDirectory
import kotlin.random.Random
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class SignTest {
    private val folder = createTempDirectory("edgediff").toFile()
    private val signed = File(folder, "signed.apk")
    private val keys = File("target/apk/debug.keystore")
    private val manifest = ZipFile("target/apk/resources.apk").use { zip ->
        zip.getInputStream(zip.getEntry("AndroidManifest.xml")).readBytes()
    }

    @AfterTest
    fun remove() {
        folder.deleteRecursively()
    }

    @Test
    fun `native libraries lie at pages of 16 KB`() {
        val unsigned = apk("resources.arsc" to 4099, "lib/arm64-v8a/liba.so" to 100_000, "lib/x86_64/liba.so" to 50_001)
        sign(unsigned, signed, keys)
        assertEquals(emptyList(), faults(signed))
        assertEquals(listOf(0L, 0L), entries(signed).filter { it.name.endsWith(".so") }.map { it.offset % 16384 })
    }

    @Test
    fun `libraries and models do not count to the size`() {
        val given = (1..20).map { "lib/abi$it/liba.so" to 10_000 } + ("assets/base/weights.bin" to 1_000_000)
        sign(apk("classes.dex" to 100_000, *given.toTypedArray()), signed, keys)
        assertEquals(emptyList(), faults(signed))
    }

    @Test
    fun `what Android would not take has faults`() {
        val unsigned = apk("lib/x86_64/liba.so" to 1000)
        assertTrue(faults(unsigned).any { "is not signed" in it })
        assertTrue(faults(unsigned).any { "does not store lib/x86_64/liba.so at a multiple of 16384 bytes" in it })

        sign(unsigned, signed, keys)
        val bytes = signed.readBytes()
        bytes[entries(signed).single { it.name.endsWith(".so") }.offset.toInt()]++
        signed.writeBytes(bytes)
        assertTrue(faults(signed).isNotEmpty())

        sign(apk("classes.dex" to 200_000), signed, keys)
        assertTrue(faults(signed).single().endsWith("at most 155000 are wanted"))
    }

    /** An APK with these files of random bytes, stored. */
    private fun apk(vararg files: Pair<String, Int>): File = File(folder, "unsigned.apk").apply {
        ZipOutputStream(outputStream()).use { zip ->
            val random = files.associate { (name, size) -> name to Random(size).nextBytes(size) }
            for ((name, bytes) in random + ("AndroidManifest.xml" to manifest)) {
                zip.putNextEntry(
                    ZipEntry(name).apply {
                        method = ZipEntry.STORED
                        size = bytes.size.toLong()
                        crc = CRC32().apply { update(bytes) }.value
                    },
                )
                zip.write(bytes)
            }
        }
    }
}
