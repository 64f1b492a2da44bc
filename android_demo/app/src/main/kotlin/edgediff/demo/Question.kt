package edgediff.demo

import edgediff.runtime.AnyAnswer
import kotlin.time.Duration

/** The most characters that a field takes: more than most tasks read, and few enough to outlive the process. */
const val MAX_CHARACTERS = 20_000

/**
 * What is asked.
 *
 * @property task the name of the task.
 * @property text the text, or the first of two.
 * @property pair the second text, of a task that takes two.
 */
data class Question(val task: String, val text: String, val pair: String?) {
    /** Whether nothing is asked. */
    val isBlank: Boolean get() = text.isBlank() || pair?.isBlank() == true
}

/**
 * What was found.
 *
 * @property cut whether some of the text was more than the task takes, and was left out.
 * @property fileBytes the size of the task's `.dpf` file.
 * @property switchTime what the switch to the task took.
 * @property runTime what the answer took then.
 */
data class Outcome(
    val question: Question,
    val answer: AnyAnswer,
    val cut: Boolean,
    val fileBytes: Long,
    val switchTime: Duration,
    val runTime: Duration,
)
