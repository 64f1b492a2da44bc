package edgediff.runtime

import edgediff.diff.Diff
import edgediff.diff.Product
import edgediff.format.readDpf
import edgediff.format.readManifest
import edgediff.tokens.Batch
import java.util.zip.CRC32
import kotlin.random.Random
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import org.junit.jupiter.api.Test

private const val SWITCHES = 1000

/** Live mode is session mode, bit for bit, and leaves nothing behind in the weights. */
class LiveTest {
    private val manifest = readManifest(Fixtures.base)
    private val diffs = Fixtures.tasks.map(::readDpf)

    @Test
    fun `live logits are those of sessions, bit for bit`() {
        val session = SessionPatcher(Fixtures.base, manifest, threads = 1)
        val live = proveLive(Fixtures.base, manifest, threads = 1, cache = Fixtures.cache)
        for (patcher in listOf(session, live)) diffs.forEach { patcher.prepare(it, it) }
        for (diff in diffs) {
            for (tokens in listOf(1, 2, 7, 64, 128)) {
                val batch = batchOf(rows = 3, tokens)
                assertContentEquals(session.ask(diff, batch), live.ask(diff, batch))
            }
        }
        session.close()
        live.close()
    }

    @Test
    fun `a thousand switches leave every bit of the image as it was`() {
        val patcher = proveLive(Fixtures.base, manifest, threads = 1, cache = Fixtures.cache)
        val before = crc32(patcher)
        diffs.forEach { patcher.prepare(it, it) }
        val batch = batchOf(rows = 1, tokens = 16)
        val first = diffs.map { patcher.ask(it, batch) }
        patcher.activate(diffs[0])
        assertFalse(before == crc32(patcher))
        val random = Random(0)
        repeat(SWITCHES) { patcher.activate((diffs + null).random(random)) }
        for ((diff, wanted) in diffs.zip(first)) assertContentEquals(wanted, patcher.ask(diff, batch))
        patcher.activate(null)
        assertEquals(before, crc32(patcher))
        patcher.close()
    }

    @Test
    fun `products change whole parameters in place, bit for bit as in sessions, and leave nothing behind`() {
        val whole = withProducts(diffs[0], rank = 1)
        val tasks = listOf(whole, withProducts(diffs[1], rank = 2), diffs[2])
        val session = SessionPatcher(Fixtures.base, manifest, threads = 1)
        val live = proveLive(Fixtures.base, manifest, threads = 1, cache = Fixtures.cache)
        val before = crc32(live)
        for (patcher in listOf(session, live)) tasks.forEach { patcher.prepare(it, it) }
        val batch = batchOf(rows = 2, tokens = 16)
        val wanted = tasks.associateWith { session.ask(it, batch) }
        assertFalse(wanted.getValue(whole).contentEquals(session.apply { prepare(diffs[0], diffs[0]) }.ask(diffs[0], batch)))
        for (one in tasks) {
            for (other in tasks) {
                for (diff in listOf(one, other)) assertContentEquals(wanted.getValue(diff), live.ask(diff, batch))
            }
            live.activate(null)
            assertEquals(before, crc32(live))
        }
        session.close()
        live.close()
    }

    /** [diff] with a product for every matrix of a layer, beside its entries. */
    private fun withProducts(diff: Diff, rank: Int): Diff {
        val random = Random(rank)
        val products = manifest.parameters.filter { it.shape.size == 2 && "layer" in it.name }.map { parameter ->
            val (rows, columns) = parameter.shape.map(Long::toInt)
            val left = FloatArray(rows * rank) { random.nextInt(-7, 8).toFloat() }
            val right = FloatArray(rank * columns) { random.nextInt(-7, 8) * 0.0007f }
            Product(parameter.name, parameter.shape, rank, left, right)
        }
        return Diff(diff.base, diff.task, diff.tensors, diff.head, diff.provenance, diff.levels, products)
    }

    @Test
    fun `a diff that was forgotten while it was active is gone`() {
        val patcher = proveLive(Fixtures.base, manifest, threads = 1, cache = Fixtures.cache)
        val before = crc32(patcher)
        patcher.prepare("it", diffs[0])
        patcher.activate("it")
        patcher.forget("it")
        assertEquals(before, crc32(patcher))
        patcher.close()
    }

    private fun Patcher.ask(diff: Diff, batch: Batch): FloatArray {
        activate(diff)
        return HeadFeeds(diff).use { session.logits(it.output, batch, it.tensors) }
    }

    private fun batchOf(rows: Int, tokens: Int): Batch {
        val random = Random(tokens)
        return Batch(rows, tokens, manifest.inputs.associateWith { name ->
            LongArray(rows * tokens) { if (name == "input_ids") random.nextLong(1000, 30000) else 1L.takeIf { name == "attention_mask" } ?: 0 }
        })
    }
}

/** The CRC-32 of all that onnxruntime maps of an image. */
internal fun crc32(patcher: LivePatcher): Long {
    val crc = CRC32()
    val weights = patcher.live.weights
    for (place in 0 until weights.capacity()) {
        val bits = weights.get(place).toRawBits()
        for (shift in 0..24 step 8) crc.update(bits ushr shift)
    }
    return crc.value
}
