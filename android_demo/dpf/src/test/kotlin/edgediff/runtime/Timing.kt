package edgediff.runtime

import edgediff.format.MODEL_FILE
import edgediff.format.readDpf
import edgediff.format.readManifest
import edgediff.tokens.Batch
import java.io.File

private const val ROUNDS = 200
private const val TOKENS = 16

/**
 * What live mode costs on this machine, medians in milliseconds:
 *
 *     mvn -f android_demo/dpf test-compile org.codehaus.mojo:exec-maven-plugin:3.6.2:java \
 *         -Dexec.mainClass=edgediff.runtime.TimingKt -Dexec.classpathScope=test
 */
fun main() {
    val manifest = readManifest(Fixtures.base)
    val cache = Fixtures.temporary()
    val building = milliseconds { proveLive(Fixtures.base, manifest, 1, cache).close() }
    val patcher = proveLive(Fixtures.base, manifest, 1, cache)
    val diffs = Fixtures.tasks.map(::readDpf)
    val batch = Batch(1, TOKENS, manifest.inputs.associateWith { LongArray(TOKENS) { 1 } })
    val plain = openSession(File(Fixtures.base, MODEL_FILE)) { it.setIntraOpNumThreads(1) }
    val head = HeadFeeds(diffs[0])

    val decode = median { readDpf(Fixtures.tasks[it % diffs.size]) }
    val first = median {
        patcher.prepare("first", readDpf(Fixtures.tasks[it % diffs.size]))
        patcher.activate("first")
        patcher.activate(null)
        patcher.forget("first")
    }
    diffs.forEach { patcher.prepare(it, it) }
    val switch = median { patcher.activate(diffs[it % diffs.size]) }
    patcher.activate(diffs[0])
    val live = median { patcher.session.logits(head.output, batch, head.tensors) }
    val dedicated = median { plain.logits(head.output, batch, head.tensors) }
    val start = median(rounds = 10) { proveLive(Fixtures.base, manifest, 1, cache).close() }
    for ((name, value) in listOf(
        "image built and proven" to building,
        "start, image there" to start,
        "decode a .dpf file" to decode,
        "first use of a task, decoding too" to first,
        "switch" to switch,
        "run of $TOKENS tokens, live" to live,
        "run of $TOKENS tokens, dedicated session" to dedicated,
    )) println("%-40s %8.2f".format(name, value))
    patcher.close()
    cache.deleteRecursively()
}

private fun milliseconds(action: () -> Unit): Double {
    val start = System.nanoTime()
    action()
    return (System.nanoTime() - start) / 1e6
}

/** The median of the second half: by then the code is compiled. */
private fun median(rounds: Int = ROUNDS, action: (Int) -> Unit): Double =
    List(rounds) { milliseconds { action(it) } }.drop(rounds / 2).sorted().let { it[it.size / 2] }
