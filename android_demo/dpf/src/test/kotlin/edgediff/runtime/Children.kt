package edgediff.runtime

import java.io.File

/** Another process that opens the base live, makes a task active and waits; started by [Child]. */
internal object Waiting {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (base, cache, dpf) = arguments.map(::File)
        val opened = openBase(base, cache, Mode.LIVE, threads = 1)
        opened.activate(opened.add(dpf).name)
        println("active")
        System.`in`.read()
    }
}

/** A process of its own with [dpf] active. */
internal class Child(cache: File, dpf: File) : AutoCloseable {
    private val process = ProcessBuilder(
        "${System.getProperty("java.home")}/bin/java", "-cp", System.getProperty("java.class.path"),
        Waiting::class.java.name, "${Fixtures.base}", "$cache", "$dpf",
    ).redirectError(ProcessBuilder.Redirect.INHERIT).start()

    /** Returns once the task is active. */
    fun await() = check(process.inputStream.bufferedReader().readLine() == "active") { "the child did not open the base" }

    /** As kill -9 does. */
    override fun close() {
        process.destroyForcibly().waitFor()
    }
}
