// An exception as Lambda tells it: errorType, errorMessage, stackTrace, cause.

using System;
using System.IO;
using System.Reflection;
using System.Text;
using System.Text.Json;

namespace Functory.Lambda
{
    public sealed class Failure
    {
        const int CausesMax = 10;

        readonly Exception _exception;

        public Failure(Exception exception)
        {
            _exception = Inner(exception);
        }

        public string Type { get { return _exception.GetType().Name; } }

        public string Text { get { return _exception.ToString(); } }

        public byte[] Json
        {
            get
            {
                using (var buffer = new MemoryStream())
                {
                    using (var writer = new Utf8JsonWriter(buffer, default(JsonWriterOptions)))
                    {
                        Write(writer, _exception, 0);
                    }
                    return buffer.ToArray();
                }
            }
        }

        /// What reflection and tasks wrap is not the function's own.
        static Exception Inner(Exception exception)
        {
            while ((exception is TargetInvocationException || exception is AggregateException) && exception.InnerException != null)
            {
                exception = exception.InnerException;
            }
            return exception;
        }

        static void Write(Utf8JsonWriter writer, Exception exception, int depth)
        {
            writer.WriteStartObject();
            writer.WriteString("errorType", exception.GetType().Name);
            writer.WriteString("errorMessage", exception.Message);
            writer.WriteStartArray("stackTrace");
            foreach (var line in (exception.StackTrace ?? "").Split('\n'))
            {
                if (line.Trim().Length > 0 && line.IndexOf("at Functory.Lambda.", StringComparison.Ordinal) < 0)
                {
                    writer.WriteStringValue(line.Trim());
                }
            }
            writer.WriteEndArray();
            if (exception.InnerException != null && depth < CausesMax)
            {
                writer.WritePropertyName("cause");
                Write(writer, exception.InnerException, depth + 1);
            }
            writer.WriteEndObject();
        }
    }

    /// What a handler is not.
    public sealed class LambdaValidationException : Exception
    {
        public LambdaValidationException(string message) : base(message) { }
    }
}
