package edgediff.format

import edgediff.FormatError
import edgediff.diff.Diff
import edgediff.diff.Product
import edgediff.diff.Task
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir
import java.io.File
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class VectorsTest {
    @Test
    fun `there are vectors of both kinds, and more that must fail`() {
        assertTrue(Vector.valid.size >= 100)
        assertTrue(Vector.invalid.size >= 400)
    }

    @TestFactory
    fun `a valid file holds its content`() = Vector.valid.map { vector ->
        dynamicTest(vector.id) { assertEquals(vector.content, contentOf(loads(vector.data))) }
    }

    @TestFactory
    fun `an invalid file is refused with its error`() = Vector.invalid.map { vector ->
        dynamicTest(vector.id) {
            val error = assertFailsWith<FormatError> { loads(vector.data) }
            assertEquals(vector.error, error.javaClass.simpleName)
        }
    }

    @TestFactory
    fun `the header says what the whole file says`(@TempDir folder: File) = Vector.valid.map { vector ->
        dynamicTest(vector.id) {
            val file = File(folder, "${vector.id}.dpf").apply { writeBytes(vector.data) }
            val header = readHeader(file)
            val diff = readDpf(file)
            assertEquals(diff.base, header.base)
            assertEquals(diff.task, header.task)
            assertEquals(diff.provenance, header.provenance)
            assertEquals(diff.nnz, header.nnz)
            assertEquals(diff.tensors.size, header.tensors)
            assertEquals(diff.products.size, header.products)
            assertEquals(vector.data.size.toLong(), header.fileBytes)
        }
    }

    @Test
    fun `minus zero is read as such`() {
        val bias = loads(Vector.named("valid-head-biases").data).head.bias
        assertContentEquals(listOf(-0f), bias.filter { it == 0f && 1 / it < 0 })
    }
}

/** A diff as plain values, as the content of a vector is: [Double] holds each of the numbers exactly. */
private fun contentOf(diff: Diff): Map<String, Any?> = mapOf(
    "base" to mapOf(
        "name" to diff.base.name,
        "fingerprint" to diff.base.fingerprint,
        "parameters" to diff.base.parameters,
        "width" to diff.base.width.toLong(),
    ),
    "task" to contentOf(diff.task),
    "provenance" to diff.provenance,
    "levels" to diff.levels.map(Float::toDouble),
    "tensors" to diff.tensors.map {
        mapOf(
            "name" to it.name,
            "shape" to it.shape,
            "indices" to it.indices.toList(),
            "values" to it.values.map(Float::toDouble),
        )
    },
    "head" to mapOf(
        "weight" to diff.head.weight.map(Float::toDouble).chunked(diff.base.width),
        "bias" to diff.head.bias.map(Float::toDouble),
    ),
) + if (diff.products.isEmpty()) emptyMap() else mapOf("products" to diff.products.map(::contentOf))

private fun contentOf(product: Product): Map<String, Any> = mapOf(
    "name" to product.name,
    "shape" to product.shape,
    "left" to product.left.map(Float::toLong).chunked(product.rank),
    "right" to product.right.map(Float::toDouble).chunked(product.right.size / product.rank),
)

private fun contentOf(task: Task): Map<String, Any> = mapOf(
    "name" to task.name,
    "kind" to task.kind.text,
    "text" to task.text,
    "text_pair" to task.textPair,
    "label" to task.label,
    "labels" to task.labels.ifEmpty { null },
    "metric" to task.metric.text,
    "answers" to task.answers,
    "max_length" to task.maxLength.toLong(),
).mapNotNull { (key, value) -> value?.let { key to it } }.toMap()
